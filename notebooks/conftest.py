"""How nbval runs the lessons as tests."""


def pytest_collectstart(collector):
    """Compare what a cell prints, but never warnings or progress bars (nbval issue 88)."""
    if collector.path.suffix == ".ipynb":
        collector.skip_compare += ("stderr",)
