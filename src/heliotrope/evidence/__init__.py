"""The ledger behind every number shown: topic modules here each hold `SOURCES` and `STATEMENTS`."""
