"""Drives a served home with Airflow's own client, unmodified: `official_client.py URL`.

It signs in with the names and passwords of tests/cli/official_client.rs, as Airflow's own examples do: /auth/token is no part of
the client.

The DAGs are those of tests/cli/official_client.rs. Each step asserts what a script against Airflow would rely on; a step that
fails ends the program with its name. At the end it prints how many calls were made.
"""

import json
import sys
import time
import urllib.request

import airflow_client.client as client
from airflow_client.client.exceptions import (
    ApiException,
    ForbiddenException,
    NotFoundException,
    UnauthorizedException,
)


def signed_in(name):
    """A client that has signed in as this user."""
    body = json.dumps({"username": name, "password": "correct horse"}).encode()
    request = urllib.request.Request(f"{sys.argv[1]}/auth/token", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201, answer.status
        token = json.load(answer)["access_token"]
    return client.ApiClient(client.Configuration(host=sys.argv[1], access_token=token))


api = signed_in("maria")
calls = 0


def of(name, api=api):
    """One of the client's groups of calls; each call is counted."""
    group = getattr(client, name)(api)

    class Counted:
        def __getattr__(self, method):
            def call(*arguments, **named):
                global calls
                calls += 1
                return getattr(group, method)(*arguments, **named)

            return call

    return Counted()


dags, runs, tasks, instances = of("DAGApi"), of("DagRunApi"), of("TaskApi"), of("TaskInstanceApi")
xcoms, pools, variables, connections = of("XComApi"), of("PoolApi"), of("VariableApi"), of("ConnectionApi")
assets, backfills, versions, sources = of("AssetApi"), of("BackfillApi"), of("DagVersionApi"), of("DagSourceApi")
monitor, version, logs, errors = of("MonitorApi"), of("VersionApi"), of("EventLogApi"), of("ImportErrorApi")
stats = of("DagStatsApi")


def refused(kind, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind as error:
        return error
    raise AssertionError(f"{call} was not refused")


def health_and_version():
    assert monitor.get_health().scheduler.status == "healthy"
    assert version.get_version().version


def who_may_not_is_refused():
    nobody = client.ApiClient(client.Configuration(host=sys.argv[1]))
    refused(UnauthorizedException, of("DAGApi", nobody).get_dags)
    viewer = signed_in("victor")
    assert of("DAGApi", viewer).get_dags().total_entries == 3
    body = client.TriggerDAGRunPostBody()
    refused(ForbiddenException, of("DagRunApi", viewer).trigger_dag_run, "client_pipeline", body)
    refused(ForbiddenException, of("VariableApi", viewer).get_variables)


def dags_are_listed_shown_and_paused():
    page = dags.get_dags(dag_id_pattern="client_")
    assert sorted(dag.dag_id for dag in page.dags) == ["client_asks", "client_maker", "client_pipeline"], page
    dag = dags.get_dag("client_pipeline")
    assert dag.owners == ["maria"] and [tag.name for tag in dag.tags] == ["demo"], dag
    assert dags.get_dag_details("client_pipeline").params["limit"]["value"] == 3
    assert dags.patch_dag("client_pipeline", client.DAGPatchBody(is_paused=True), update_mask=["is_paused"]).is_paused
    assert not dags.patch_dag("client_pipeline", client.DAGPatchBody(is_paused=False)).is_paused
    assert "demo" in dags.get_dag_tags().tags
    refused(NotFoundException, dags.get_dag, "nope")
    assert [task.task_id for task in tasks.get_tasks("client_pipeline").tasks] == ["extract", "load", "report"]
    assert tasks.get_task("client_pipeline", "load").downstream_task_ids == ["report"]
    assert versions.get_dag_versions("client_pipeline").total_entries == 1
    assert "dag_id: client_pipeline" in sources.get_dag_source("client_pipeline").content
    assert errors.get_import_errors().total_entries == 1


def a_run_is_triggered_and_followed():
    body = client.TriggerDAGRunPostBody(conf={"limit": 5}, dag_run_id="one", note="by hand")
    run = runs.trigger_dag_run("client_pipeline", body)
    assert run.dag_run_id == "one" and run.conf == {"limit": 5}, run
    while runs.get_dag_run("client_pipeline", "one").state not in ("success", "failed"):
        time.sleep(0.02)
    run = runs.get_dag_run("client_pipeline", "one")
    assert run.state == "failed" and run.note == "by hand" and run.triggering_user_name == "maria", run
    error = refused(ApiException, runs.trigger_dag_run, "client_pipeline", body)
    assert error.status == 409, error.status
    wrong = client.TriggerDAGRunPostBody(conf={"limit": "x"})
    assert refused(ApiException, runs.trigger_dag_run, "client_pipeline", wrong).status == 422
    page = runs.get_dag_runs("~", state=["failed"], order_by=["-start_date"], limit=5)
    assert [run.dag_run_id for run in page.dag_runs] == ["one"], page
    batch = runs.get_list_dag_runs_batch("~", client.DAGRunsBatchBody(dag_ids=["client_pipeline"], page_limit=1))
    assert batch.total_entries == 1
    assert stats.get_dag_stats(dag_ids=["client_pipeline"]).dags[0].stats


def task_instances_tries_logs_and_values():
    page = instances.get_task_instances("client_pipeline", "one")
    states = {it.task_id: it.state for it in page.task_instances}
    assert states == {"extract": "success", "load": "failed", "report": "upstream_failed"}, states
    one = instances.get_task_instance("client_pipeline", "one", "load")
    assert one.try_number == 2 and one.max_tries == 1, one
    tries = instances.get_task_instance_tries("client_pipeline", "one", "load").task_instances
    assert [it.try_number for it in tries] == [1, 2], tries
    log = instances.get_log("client_pipeline", "one", "extract", 1)
    assert "5 readings" in str(log.content), log
    batch = client.TaskInstancesBatchBody(dag_ids=["client_pipeline"], state=["failed"])
    assert instances.get_task_instances_batch("~", "~", batch).total_entries == 1
    entries = xcoms.get_xcom_entries(dag_id="client_pipeline", dag_run_id="one", task_id="extract")
    assert [entry.key for entry in entries.xcom_entries] == ["return_value"], entries
    value = xcoms.get_xcom_entry(dag_id="client_pipeline", dag_run_id="one", task_id="extract", xcom_key="return_value").actual_instance
    assert value.value == "5 readings", value
    made = xcoms.create_xcom_entry(dag_id="client_pipeline", dag_run_id="one", task_id="report", x_com_create_body=client.XComCreateBody(key="k", value=[1]))
    assert made.key == "k"


def clearing_and_marking():
    body = client.ClearTaskInstancesBody(dag_run_id="one", dry_run=True, only_failed=True)
    told = instances.post_clear_task_instances("client_pipeline", body)
    assert {it.task_id for it in told.task_instances} == {"load", "report"}, told
    patch = client.PatchTaskInstanceBody(new_state="success")
    instances.patch_task_instance("client_pipeline", "one", "load", patch)
    body = client.ClearTaskInstancesBody(dag_run_id="one", dry_run=False, only_failed=False, task_ids=[client.ClearTaskInstancesBodyTaskIdsInner("report")])
    instances.post_clear_task_instances("client_pipeline", body)
    while runs.get_dag_run("client_pipeline", "one").state != "success":
        time.sleep(0.02)
    assert runs.patch_dag_run("client_pipeline", "one", client.DAGRunPatchBody(state="failed")).state == "failed"


def questions_are_answered():
    runs.trigger_dag_run("client_asks", client.TriggerDAGRunPostBody(dag_run_id="q"))
    while instances.get_task_instance("client_asks", "q", "ask").state != "awaiting_input":
        time.sleep(0.02)
    detail = instances.get_hitl_detail("client_asks", "q", "ask", -1)
    assert detail.options == ["Approve", "Reject"] and not detail.response_received, detail
    payload = client.UpdateHITLDetailPayload(chosen_options=["Approve"], params_input={"days": 2})
    assert instances.update_hitl_detail("client_asks", "q", "ask", -1, payload).chosen_options == ["Approve"]
    assert instances.get_hitl_details("~", "~").hitl_details[0].response_received
    while runs.get_dag_run("client_asks", "q").state != "success":
        time.sleep(0.02)


def what_dags_share():
    assert pools.post_pool(client.PoolBody(name="narrow", slots=2)).open_slots == 2
    assert pools.patch_pool("narrow", client.PoolPatchBody(slots=3, pool="narrow")).slots == 3
    assert {pool.name for pool in pools.get_pools().pools} == {"default_pool", "narrow"}
    pools.delete_pool("narrow")
    refused(NotFoundException, pools.get_pool, "narrow")
    variables.post_variable(client.VariableBody(key="site", value="Roma"))
    assert variables.get_variable("site").value == "Roma"
    variables.patch_variable("site", client.VariableBody(key="site", value="Milano"))
    assert [it.value for it in variables.get_variables().variables] == ["Milano"]
    variables.delete_variable("site")
    connections.post_connection(
        client.ConnectionBody(connection_id="lake", conn_type="s3", host="localhost", port=9000, password="hunter2")
    )
    lake = connections.get_connection("lake")
    assert lake.host == "localhost" and "hunter2" not in str(lake), lake
    connections.delete_connection("lake")


def assets_and_backfills():
    [asset] = assets.get_assets().assets
    assert asset.uri == "s3://lake/a" and asset.producing_tasks[0].task_id == "make", asset
    run = assets.materialize_asset(asset.id)
    while runs.get_dag_run("client_maker", run.dag_run_id).state != "success":
        time.sleep(0.02)
    assets.create_asset_event(client.CreateAssetEventsBody(asset_id=asset.id, extra={"rows": 1}))
    assert assets.get_asset_events(asset_id=asset.id).total_entries == 2
    body = client.BackfillPostBody(
        dag_id="client_maker", from_date="2026-01-01T00:00:00Z", to_date="2026-01-03T00:00:00Z", max_active_runs=1
    )
    backfill = backfills.create_backfill(body)
    assert backfills.get_backfill(backfill.id).dag_id == "client_maker"
    while runs.get_dag_runs("client_maker", run_type=["backfill"], state=["success"]).total_entries != 3:
        time.sleep(0.02)


def lists_are_read_from_cursor_to_cursor():
    for read in [
        lambda **page: (lambda it: (it, it.dag_runs))(runs.get_dag_runs("client_maker", **page)),
        lambda **page: (lambda it: (it, it.task_instances))(instances.get_task_instances("client_maker", "~", **page)),
    ]:
        cursor, found = "", []
        while cursor is not None:
            page, rows = read(cursor=cursor, limit=2, order_by=["-run_after"])
            assert page.total_entries <= page.total_entries_limit, page
            found, cursor = found + rows, page.next_cursor
        _, whole = read(limit=100, order_by=["-run_after"])
        assert len(whole) >= 3 and found == whole, found


def the_event_log_and_removals():
    assert logs.get_event_logs(
        dag_id_prefix_pattern="client_pipe|nothing", included_events=["run.created"], order_by=["when"]
    ).total_entries == 1
    assert logs.get_event_logs(dag_id="client_pipeline", event="run.created").total_entries == 1
    runs.delete_dag_run("client_pipeline", "one")
    refused(NotFoundException, runs.get_dag_run, "client_pipeline", "one")
    assert logs.get_event_logs(dag_id="client_pipeline", event="run.deleted").total_entries == 1
    dags.delete_dag("client_asks")


for step in [
    health_and_version,
    who_may_not_is_refused,
    dags_are_listed_shown_and_paused,
    a_run_is_triggered_and_followed,
    task_instances_tries_logs_and_values,
    clearing_and_marking,
    questions_are_answered,
    what_dags_share,
    assets_and_backfills,
    lists_are_read_from_cursor_to_cursor,
    the_event_log_and_removals,
]:
    try:
        step()
    except Exception as error:
        print(f"{step.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
        raise
print(calls)
