"""Demand forecasting, from seasonal naive to MQTransformer."""
