"""The report: from run folders to one HTML page that stands alone."""
