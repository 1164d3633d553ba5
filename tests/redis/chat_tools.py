"""Chat servers as they use Redis: each writes and reads exactly as its tool does, with redis-py alone.

Reading back is as strict as the tool: what it would not take is an AssertionError."""

import datetime
import json
import time
import uuid


def now_text():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


def check(value, *types):
    assert isinstance(value, types) and not (isinstance(value, bool) and bool not in types), (value, types)
    return value


class Zen:
    """zen-mcp-server: utils/conversation_memory.py; pydantic's model_dump_json() and SETEX."""

    layout = "zen"
    newest_first = False
    ROLES = ("user", "assistant")
    TURN = {"role": (str,), "content": (str,), "timestamp": (str,), "files": (list, type(None)),
            "images": (list, type(None)), "tool_name": (str, type(None)), "model_provider": (str, type(None)),
            "model_name": (str, type(None)), "model_metadata": (dict, type(None))}
    THREAD = {"thread_id": (str,), "parent_thread_id": (str, type(None)), "created_at": (str,),
              "last_updated_at": (str,), "tool_name": (str,), "turns": (list,), "initial_context": (dict,)}

    def __init__(self, client, ttl=10800, max_turns=None):
        self.client, self.ttl, self.max_turns = client, ttl, max_turns

    def new_id(self):
        return str(uuid.uuid4())

    def key(self, thread):
        return f"thread:{thread}"

    @staticmethod
    def dump(value):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    def create(self, thread=None, turns=(("user", "hi"),), **own):
        thread = thread or self.new_id()
        now = now_text()
        value = {"thread_id": thread, "parent_thread_id": None, "created_at": now, "last_updated_at": now,
                 "tool_name": "chat", "turns": [self.turn(r, t) for r, t in turns],
                 "initial_context": {"prompt": "hi"}} | own
        self.store(thread, value)
        return thread

    @staticmethod
    def turn(role, text, **more):
        return {"role": role, "content": text, "timestamp": now_text(), "files": [], "images": None,
                "tool_name": None, "model_provider": None, "model_name": None, "model_metadata": None} | more

    def store(self, thread, value):
        self.client.setex(self.key(thread), self.ttl, self.dump(value))

    def load(self, thread):
        """ThreadContext.model_validate_json(): a wrong type anywhere and there is no thread."""
        data = self.client.get(self.key(thread))
        if data is None:
            return None
        value = json.loads(data)
        check(value, dict)
        for name, types in self.THREAD.items():
            check(value[name], *types)
        for turn in value["turns"]:
            for name, types in self.TURN.items():
                if types[-1] is not type(None) or name in turn:
                    check(turn[name], *types)
            datetime.datetime.fromisoformat(turn["timestamp"])
        datetime.datetime.fromisoformat(value["last_updated_at"])
        return value

    def add(self, thread, role, text, **more):
        """add_turn(): read, change, write; False when there is no thread or it is full."""
        value = self.load(thread)
        if value is None or (self.max_turns and len(value["turns"]) >= self.max_turns):
            return False
        value["turns"].append(self.turn(role, text, **more))
        value["last_updated_at"] = now_text()
        self.store(thread, value)
        return True

    def read(self, thread):
        value = self.load(thread)
        return [(t["role"], t["content"]) for t in value["turns"]]

    def elements(self, thread):
        """The bytes of each turn."""
        return [self.dump(t) for t in json.loads(self.client.get(self.key(thread)))["turns"]]


class List:
    """A list of elements; `element` and `parse` are the tool's."""

    newest_first = False
    prefix = suffix = ""

    def __init__(self, client, ttl=None):
        self.client, self.ttl = client, ttl

    def new_id(self):
        return f"chat-{uuid.uuid4()}"

    def key(self, thread):
        return f"{self.prefix}{thread}{self.suffix}"

    def create(self, thread=None, turns=(("user", "hi"),)):
        thread = thread or self.new_id()
        for role, text in turns:
            self.add(thread, role, text)
        return thread

    def push(self, thread, data):
        (self.client.lpush if self.newest_first else self.client.rpush)(self.key(thread), data)
        if self.ttl:
            self.client.expire(self.key(thread), self.ttl)

    def add(self, thread, role, text):
        self.push(thread, self.element(role, text))
        return True

    def elements(self, thread):
        found = self.client.lrange(self.key(thread), 0, -1)
        return found[::-1] if self.newest_first else found

    def read(self, thread):
        return [self.parse(json.loads(data)) for data in self.elements(thread)]


class LangChain(List):
    """langchain-redis' and langchain-community's RedisChatMessageHistory: json.dumps() and LPUSH."""

    layout = "langchain"
    prefix = "message_store:"
    newest_first = True
    NATIVE = {"user": "human", "assistant": "ai", "system": "system"}

    def element(self, role, text):
        kind = self.NATIVE[role]
        data = {"content": text, "additional_kwargs": {}, "response_metadata": {}, "type": kind, "name": None,
                "id": None, "example": False}
        return json.dumps({"type": kind, "data": data}).encode()

    def parse(self, value):
        """messages_from_dict()"""
        role = {v: k for k, v in self.NATIVE.items()}[value["type"]]
        check(value["data"]["additional_kwargs"], dict)
        check(value["data"].get("response_metadata", {}), dict)
        return role, check(value["data"]["content"], str)


class LangChainJS(LangChain):
    layout = "langchain-js"
    prefix = ""

    def element(self, role, text):
        data = {"content": text, "additional_kwargs": {}, "response_metadata": {}}
        value = {"type": self.NATIVE[role], "data": data}
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class OpenAIAgents(List):
    """agents/extensions/memory/redis_session.py: a pipeline, then PEXPIREAT of all keys at one instant."""

    layout = "openai-agents"
    prefix, suffix = "agents:session:", ":messages"

    def element(self, role, text):
        if role == "assistant":
            content = [{"type": "output_text", "text": text, "annotations": []}]
            value = {"id": "msg_1", "content": content, "role": role, "status": "completed", "type": "message"}
        else:
            value = {"content": text, "role": role}
        return json.dumps(value, separators=(",", ":")).encode()

    def add(self, thread, role, text):
        session = f"{self.prefix}{thread}"
        now = str(int(time.time()))
        with self.client.pipeline(transaction=True) as pipe:
            pipe.hset(session, mapping={"session_id": thread, "created_at": now, "updated_at": now})
            pipe.rpush(self.key(thread), self.element(role, text))
            pipe.hset(session, "updated_at", now)
            pipe.execute()
        if self.ttl:
            at = int(time.time() * 1000) + self.ttl * 1000
            with self.client.pipeline(transaction=True) as pipe:
                for key in (session, self.key(thread), f"{session}:counter"):
                    pipe.pexpireat(key, at)
                pipe.execute()
        return True

    def parse(self, value):
        content = value["content"]
        if isinstance(content, str):
            return check(value["role"], str), content
        assert value["type"] == "message" and value["status"], value
        return value["role"], "".join(check(part["text"], str) for part in content)


class LlamaIndex(List):
    """llama_index/storage/chat_store/redis: ChatMessage.model_dump() and RPUSH."""

    layout = "llamaindex"

    def element(self, role, text):
        value = {"role": role, "additional_kwargs": {}, "blocks": [{"block_type": "text", "text": text}]}
        return json.dumps(value).encode()

    def parse(self, value):
        check(value["additional_kwargs"], dict)
        return check(value["role"], str), "".join(b["text"] for b in value["blocks"] if b["block_type"] == "text")


class AgentFramework(List):
    """agent_framework_redis: RedisChatMessageStore; RPUSH, LTRIM to a maximum."""

    layout = "agent-framework"
    prefix = "chat_messages:"
    maximum = None

    def element(self, role, text):
        return json.dumps({"type": "chat_message", "role": role,
                           "contents": [{"type": "text", "text": text}]}).encode()

    def push(self, thread, data):
        super().push(thread, data)
        if self.maximum:
            self.client.ltrim(self.key(thread), -self.maximum, -1)

    def parse(self, value):
        assert value["type"] == "chat_message"
        role = value["role"]["value"] if isinstance(value["role"], dict) else value["role"]
        return check(role, str), "".join(check(c["text"], str) for c in value["contents"] if c["type"] == "text")


LISTS = (LangChain, LangChainJS, OpenAIAgents, LlamaIndex, AgentFramework)
ALL = (Zen, *LISTS)


def options(tool, more=""):
    """What `turnfs mount -o` is told for a tool's keys."""
    match = ",match=chat-*" if tool in (LangChainJS, LlamaIndex) else ""
    return f"layout={tool.layout}{match}{',' if more else ''}{more}"
