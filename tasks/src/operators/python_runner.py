# Runs a task's inline code: python_runner.py CODE NAME. The other half of operators/python.rs, which states the contract.
import json
import linecache
import os
import sys
import traceback


def skip(reason=""):
    """Ends the attempt as skipped."""
    if reason:
        print(f"skipped: {reason}", flush=True)
    raise SystemExit(int(os.environ["ESTEIRA_SKIP_EXIT_CODE"]))


def main(path, name):
    with open(path, encoding="utf-8") as file:
        source = file.read()
    with open(os.environ["ESTEIRA_CONTEXT"], encoding="utf-8") as file:
        context = json.load(file)
    # The code's own lines, for tracebacks.
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    # Modules beside the task are found where it runs, not where this runner lies.
    sys.path[0] = os.getcwd()
    names = {
        "__name__": "__esteira__",
        "context": context,
        "params": context["params"],
        "args": context["args"],
        "skip": skip,
    }
    try:
        exec(compile(source, name, "exec"), names)
        result = names["main"](context) if callable(names.get("main")) else names.get("result")
    except Exception as error:
        # Without this runner's own frames, which tell nobody anything.
        traceback.print_exception(type(error), error, error.__traceback__.tb_next if error.__traceback__ else None)
        with open(os.environ["ESTEIRA_ERROR_CLASS"], "w", encoding="utf-8") as file:
            file.write(type(error).__name__)
        raise SystemExit(1)
    try:
        text = json.dumps(result, allow_nan=False)
    except (TypeError, ValueError) as error:
        print(f"the result is no JSON value: {error}", file=sys.stderr)
        raise SystemExit(1)
    with open(os.environ["ESTEIRA_RESULT"], "w", encoding="utf-8") as file:
        file.write(text)


main(sys.argv[1], sys.argv[2])
