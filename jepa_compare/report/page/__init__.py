"""report.html: the comparison as one page that opens offline."""
