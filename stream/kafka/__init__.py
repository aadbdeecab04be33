"""What is Kafka's own: connections, topics, partitioner, transport, the embedded broker."""
