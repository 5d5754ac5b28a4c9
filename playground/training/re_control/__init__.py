"""RE-Control's value function: fitted to what replies came to, and its step size calibrated."""
