"""Pictures of predictions, histories and scores."""
