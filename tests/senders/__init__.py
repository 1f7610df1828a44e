"""Tests of senders."""
