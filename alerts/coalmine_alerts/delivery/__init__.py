"""Delivery: what waits in the outbox is sent to the channels, in order, once where that can be had."""
