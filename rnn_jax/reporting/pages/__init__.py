"""The HTML report: run folders and sweep folders on one self-contained page."""
