"""The cycle engine: every wavelet, every cycle, in compiled phases."""
