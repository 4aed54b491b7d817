"""The one way from content to HTML: tables and the report are filled into templates that escape all they are given.

`renderer` fills a template, `views` makes what the templates show of typed cells. Nothing else writes HTML.
"""
