"""What runs beside the package: nothing here ships."""
