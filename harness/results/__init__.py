"""The contract between measuring and everything that is made of measurements.

`record` is one launch in a few kilobytes, its parts by type in `environment`, `devices`, `measurements` and `phases`;
`series` is what a worker measures step by step, of which the record keeps summaries and `steps` a table beside it;
`upgrade` reads older schemas, `checks` knows which numbers no launch has, and `forecast` is a picture of one forecast.
Launches write them; tables, figures and claims are made from them alone, later and elsewhere.
"""
