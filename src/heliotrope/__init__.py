"""Heliotrope: quantitative imaging of dermatomyositis and the other idiopathic inflammatory myopathies.

For research and decision support. Not a medical device; gives no diagnosis and no order.
"""

__version__ = "0.1.0"
