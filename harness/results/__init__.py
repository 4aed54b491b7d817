"""The contract between measuring and everything that is made of measurements: records, forecasts, what they may say."""
