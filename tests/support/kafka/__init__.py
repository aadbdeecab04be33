"""A genuine Apache Kafka for the tests: one node or three, on the loopback interface.

    with KafkaCluster(class_path(), folder, nodes=3) as cluster:
        settings = Settings(bootstrap_servers=cluster.bootstrap)
        cluster.nodes[0].kill()

By hand, from any folder of the repository: `PYTHONPATH=tests python -m support.kafka --port 19092`.
"""

from support.kafka.class_path import NoKafka, class_path
from support.kafka.cluster import KafkaCluster
from support.kafka.node import KafkaNode

__all__ = ["KafkaCluster", "KafkaNode", "NoKafka", "class_path"]
