"""Rollouts: a canary that advances, waits or rolls itself back, and can say why."""
