"""Keeps the laws that every type has to keep. Run with pytest."""

from acme_types import OrderId

from bailiwick.testing import check_type


def test_order_numbers() -> None:
    check_type(OrderId(), good=["NW-004711", "SE-000001"], bad=["nw-004711", "NW-4711", "NW-004711\n", 4711, None])
