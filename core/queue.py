"""The Celery factory, queue and task names. A message is a hint: Postgres knows which jobs are due (guarantees)."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu.entity import Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from core.errors import BrokerUnavailable
from core.settings import Settings

INFERENCE_QUEUE = "inference"
SERVICES_QUEUE = "services"

INFER_TASK = "worker.infer"  # claim what is due and run it; takes no arguments
SWEEP_TASK = "worker.sweep"
RECONCILE_TASK = "worker.reconcile"
SETTLE_TASK = "worker.settle"
EXPIRE_TASK = "worker.expire"

SOFT_TIME_LIMIT = 100
HARD_TIME_LIMIT = 120
VISIBILITY_TIMEOUT = 600
# A hint that waited longer than this says nothing new: the sweeper sends another.
HINT_EXPIRES = 60


def make_celery(settings: Settings, *, include: tuple[str, ...] = ()) -> Celery:
    """A Celery application with the settings that hold (reasons: docs/guarantees.md). Connects to nothing yet."""
    celery = Celery("lucency", broker=settings.broker_url.get_secret_value(), include=list(include))
    celery.conf.update(_configuration(settings))
    return celery


def _configuration(settings: Settings) -> dict[str, Any]:
    return {
        "task_queues": [Queue(INFERENCE_QUEUE), Queue(SERVICES_QUEUE)],
        "task_default_queue": SERVICES_QUEUE,
        "task_routes": {
            INFER_TASK: {"queue": INFERENCE_QUEUE},
            SWEEP_TASK: {"queue": SERVICES_QUEUE},
            RECONCILE_TASK: {"queue": SERVICES_QUEUE},
            SETTLE_TASK: {"queue": SERVICES_QUEUE},
            EXPIRE_TASK: {"queue": SERVICES_QUEUE},
        },
        "task_create_missing_queues": False,
        # Late acknowledgement, and no redelivery for a lost child: a poison input would loop for ever. The lease in
        # Postgres brings the job back, and counts the crash.
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,
        "task_ignore_result": True,
        "result_backend": None,
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_prefetch_multiplier": 1,
        "task_soft_time_limit": SOFT_TIME_LIMIT,
        "task_time_limit": HARD_TIME_LIMIT,
        # The three places where Celery's documentation asks for the visibility timeout.
        "visibility_timeout": VISIBILITY_TIMEOUT,
        "result_backend_transport_options": {"visibility_timeout": VISIBILITY_TIMEOUT},
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT,
            # Redelivery after a lost worker takes about 100 s with the defaults.
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": 60,
        "worker_enable_soft_shutdown_on_idle": False,
        # Loading and warming an engine takes longer than the default of 4 s.
        "worker_proc_alive_timeout": 120,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        "beat_schedule": {
            "sweep": {"task": SWEEP_TASK, "schedule": settings.sweep, "options": {"expires": settings.sweep * 2}},
            "settle": {"task": SETTLE_TASK, "schedule": settings.sweep, "options": {"expires": settings.sweep * 2}},
            "expire": {"task": EXPIRE_TASK, "schedule": 3600.0, "options": {"expires": 3600}},
            "reconcile": {"task": RECONCILE_TASK, "schedule": 3600.0, "options": {"expires": 3600}},
        },
        # Beat keeps no file: a restart may sweep once more, which is harmless.
        "beat_scheduler": "celery.beat:Scheduler",
        "timezone": "UTC",
    }


def hint_inference(celery: Celery) -> None:
    """Tell one worker child that jobs may be due. Publish after commit only. Raises BrokerUnavailable."""
    try:
        # One quick try: the sweeper hints again, and a client is waiting for its answer.
        celery.send_task(INFER_TASK, queue=INFERENCE_QUEUE, expires=HINT_EXPIRES, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        raise BrokerUnavailable from error
