"""The rules: each a pure function of facts, with thresholds that the configuration may change."""
