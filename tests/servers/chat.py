"""An endpoint of chat completions. What it answers depends on the model that is asked for. Usage: chat.py PORTFILE LOG"""
import http.server, json, os, sys, time

GOOD = {"name": "Build it", "trigger": "push", "environment": {"LEVEL": "3: '\"#"}, "setup_commands": ["echo setting up"],
        "steps": [{"name": "Build: all", "command": "mkdir -p sub\necho building $LEVEL", "working_dir": None},
                  {"name": "Test", "command": "pwd; exit 4", "working_dir": "sub", "continue_on_error": True, "timeout_seconds": 90}],
        "cleanup_commands": ["echo gone"], "cache_paths": ["~/.cache/x", "deps"]}
BAD = {
    "unknown": dict(GOOD, run="rm -rf /"),
    "expression": dict(GOOD, steps=[{"name": "x", "command": "echo ${{ secrets.TOKEN }}"}]),
    "nosteps": dict(GOOD, steps=[]),
    "type": dict(GOOD, steps=[{"name": "x", "command": 7}]),
    "variable": dict(GOOD, environment={"A B": "x"}),
    "control": dict(GOOD, setup_commands=["echo \u001b[2J"]),
    "long": dict(GOOD, steps=[{"name": "x", "command": "x" * 20000}]),
    "hidden": dict(GOOD, steps=[{"name": "x", "command": "echo ok #\u202e rm -rf x"}]),
    "timer": dict(GOOD, trigger="push|pull_request; schedule: '30 4,16 * * mon-fri'\nschedule: 0 0 1 * *"),
    "badcron": dict(GOOD, trigger="push, schedule: 0 25 * * *"),
    "nevercron": dict(GOOD, trigger="schedule: 0 0 30 2 *"),
    "odd": dict(GOOD, trigger="push\n  pull_request:\nevil", name="x\non: push, 'y'", cache_paths=["a\nevil: 1", "%b"],
                steps=[{"name": "a\nb: c", "command": "  echo one\r\n---\n\techo three\n\n"}]),
}

BROKEN = {"name": "Build", "steps": [{"name": "Greet", "command": "echo hello"},
                                     {"name": "Compile", "command": "echo 'opening with key-of-the-house'\nprintf '\\033[31mno rule\\033[0m for all\\n'\nexit 3"}]}
MENDED = {"name": "Build", "steps": [{"name": "Compile", "command": "echo mended"}]}
LATE = []  # what was asked of that model: the first answer never comes


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, kind="application/json", cut=False):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) + (9 if cut else 0)))
        self.end_headers()
        self.wfile.write(data)
        if cut:
            self.wfile.flush()
            self.close_connection = True

    def say(self, text, reason="stop"):
        self.answer(200, {"choices": [{"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": text}}]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(sys.argv[2], "a") as log:
            log.write(json.dumps({"path": self.path, "authorization": self.headers.get("Authorization"), "asked": asked}) + "\n")
        model = asked["model"]
        text = json.dumps(BAD.get(model, GOOD))
        if model in ("mender", "bungler", "giver-up"):
            repair = "a run of it failed" in asked["messages"][1]["content"]
            if repair and model == "giver-up":
                return self.say("I do not know.")
            return self.say(json.dumps(MENDED if repair and model == "mender" else BROKEN))
        if model == "noschema" and "response_format" in asked:
            return self.answer(400, {"error": {"message": "response_format is not supported"}})
        if model == "thinks":
            return self.say("<think>\n{\"name\": maybe {that}?}\n</think>\n\n" + text)
        if model == "fenced":
            return self.say("Here it is:\n```json\n" + text + "\n```\n")
        if model in ("stream", "broken", "fails"):
            parts = [f"data: {json.dumps({'choices': [{'delta': {'content': text[i:i + 7]}}]})}\n\n" for i in range(0, len(text), 7)]
            if model == "fails":
                parts[9:] = ['data: {"error": {"message": "no more\\u202e money"}}\n\n']
            parts = [": one moment\n\nevent: message\n"] + parts
            parts = parts[:9] if model == "broken" else parts + ["data: [DONE]\n\n"]
            return self.answer(200, "".join(parts).encode(), "text/event-stream")
        if model == "gated":  # until somebody opens it
            while not os.path.exists(sys.argv[2] + ".gate"):
                time.sleep(0.02)
        if model == "late":
            LATE.append(model)
        if model == "slow" or len(LATE) == 1:
            time.sleep(30)
        if model == "busy":
            return self.answer(429, {"error": {"message": "slow down\nplease"}})
        if model == "cut":
            return self.answer(200, b'{"choices": [', cut=True)
        if model == "prose":
            return self.say("I cannot do that.")
        if model == "length":
            return self.say(text[:40], "length")
        if model == "deep":
            return self.say("{\"a\":" * 100000)
        if model == "huge":
            return self.answer(200, b"x" * (5 << 20))
        return self.say(text)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1] + ".new", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
