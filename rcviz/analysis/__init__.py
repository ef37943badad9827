"""Pure questions to a trained model; every answer is frozen, has a table and draws itself."""
