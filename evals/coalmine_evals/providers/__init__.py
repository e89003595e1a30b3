"""Who answers: models behind APIs, and answers that were recorded."""
