"""The library that draws the charts in the page, Plotly: this module alone knows which one it is."""


def script() -> str:
    """Its JavaScript, whole, with the banner of its licence; it defines `Plotly`."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()
