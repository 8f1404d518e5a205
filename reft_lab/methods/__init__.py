"""What is trained: the methods, and the stages that they are made of."""
