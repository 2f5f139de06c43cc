"""Where pictures and weights come from: drawn, downloaded, or in a package."""
