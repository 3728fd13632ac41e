"""What people type about activities, tasks and interactions, one module for each."""
