"""Two versions on requests of the past: would the new one have been better?"""
