"""Logistic-regression models that answer when the networks cannot."""
