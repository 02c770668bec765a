//! What only the inside of the queue can bring about.
