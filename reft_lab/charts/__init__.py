"""The one set of charts, in Vega-Lite through altair; report, notebooks and studies draw from it."""
