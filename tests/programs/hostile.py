"""Programs that try to break out, break down, or cheat. Each is a whole text; `{canary}` and `{port}` are filled in.

A program ends in one of the statuses named beside it. What it returns never matters unless the status is `ok`.
"""

from __future__ import annotations

SYNTAX, RUNTIME, FORBIDDEN, NO_ANSWER = {"syntax_error"}, {"runtime_error"}, {"forbidden"}, {"no_answer"}
TIMEOUT, MEMORY, OK = {"timeout"}, {"memory"}, {"ok"}
REFUSED = RUNTIME | FORBIDDEN
TOO_MUCH = TIMEOUT | MEMORY


def _body(*lines: str) -> str:
    return "def solution():\n" + "\n".join(f"    {line}" for line in lines) + "\n"


HOSTILE: dict[str, tuple[str, set[str]]] = {
    # --- time ---------------------------------------------------------------------------------------------------
    "endless loop": (_body("while True:", "    pass"), TIMEOUT),
    "endless loop on import": ("while True:\n    pass\n" + _body("return 1"), TIMEOUT),
    "endless loop in try": (
        _body("while True:", "    try:", "        while True: pass", "    except BaseException:", "        pass"),
        TIMEOUT,
    ),
    "endless loop in finally": (
        _body("try:", "    while True: pass", "finally:", "    while True: pass"),
        TIMEOUT,
    ),
    "loop after a caught timeout": (
        _body("try:", "    while True: pass", "except TimeoutError:", "    return 1"),
        TIMEOUT,
    ),
    "long sum": (_body("return sum(range(10 ** 12))"), TIMEOUT),
    "long max": (_body("return max(range(10 ** 11))"), TIMEOUT),
    "endless recursion caught again and again": (
        _body("while True:", "    try:", "        solution()", "    except RecursionError:", "        pass"),
        TOO_MUCH | RUNTIME,
    ),
    "sleep": ("import time\n" + _body("time.sleep(1000)", "return 1"), OK),
    "busy wait": ("import time\n" + _body("start = time.time()", "while time.time() < start + 9: pass"), TIMEOUT),
    "regular expression that explodes": (
        "import re\n" + _body("return 1 if re.match('(a|a|b?)*(a*)*$', 'a' * 40 + 'c') else 2"),
        OK | TIMEOUT | RUNTIME,
    ),
    "factorial": ("import math\n" + _body("return math.factorial(10 ** 7)"), TOO_MUCH),
    "gcd of giants (no clock inside)": (
        "import math\n" + _body("return math.gcd(3 ** 3000000, 7 ** 1000000)"),
        TIMEOUT,
    ),
    "square root of a giant": ("import math\n" + _body("return math.isqrt(10 ** 5000000)"), TIMEOUT),
    "products of giants": (_body("a = 3 ** 5000000", "return a * a * a * a % 7"), TOO_MUCH),
    "printing for ever": (_body("while True: print('x' * 1000)"), TIMEOUT),
    # --- memory -------------------------------------------------------------------------------------------------
    "list bomb": (_body("return len([0] * 10 ** 10)"), MEMORY),
    "growing list": (_body("x = []", "while True: x.append(len(x))"), TOO_MUCH),
    "growing dict": (_body("x = {}", "while True: x[len(x)] = str(len(x))"), TOO_MUCH),
    "doubling text": (_body("x = 'a'", "while True: x += x"), MEMORY),
    "doubling list": (_body("x = [1]", "while True: x = x + x"), MEMORY),
    "memory error caught": (
        _body("try:", "    x = [0] * 10 ** 10", "except MemoryError:", "    return 1", "return 2"),
        MEMORY,
    ),
    "range to list": (_body("return len(list(range(10 ** 9)))"), TOO_MUCH),
    "set bomb": (_body("return len({str(i) for i in range(10 ** 9)})"), TOO_MUCH),
    "nested lists": (_body("x = []", "while True: x = [x, x]"), TOO_MUCH),
    "big power": (_body("return 9 ** 9 ** 9"), TOO_MUCH),
    "big shift": (_body("return 1 << 10 ** 11"), TOO_MUCH),
    "squaring": (_body("x = 10", "while True: x = x * x"), TOO_MUCH),
    "text of a giant": (_body("return str(10 ** 5000000)"), TOO_MUCH | RUNTIME),
    "f-string width": (_body("return f'{1:1000000000}'"), MEMORY),
    "f-string precision": (_body("return f'{1.5:.1000000000f}'"), MEMORY | RUNTIME),
    "nested width": (_body("n = 10 ** 9", "return f'{1:{n}}'"), MEMORY),
    "percent width": (_body("return '%1000000000d' % 1"), MEMORY),
    "format width": (_body("return '{:>1000000000}'.format(1)"), MEMORY),
    "ljust": (_body("return 'a'.ljust(10 ** 10)"), MEMORY),
    "join": (_body("return 'x'.join(['y'] * 10 ** 9)"), MEMORY),
    "replace": (_body("return 'x'.replace('', 'y' * 10 ** 5).replace('y', 'z' * 10 ** 5)"), MEMORY),
    "bytes": (_body("return len(bytes(10 ** 10))"), MEMORY),
    "product of ranges": (
        "import itertools\n" + _body("return len(list(itertools.product(range(1000), repeat=5)))"),
        TOO_MUCH,
    ),
    "endless count": ("import itertools\n" + _body("return sum(itertools.count())"), TOO_MUCH),
    "decimal precision": (
        "import decimal\n" + _body("decimal.getcontext().prec = 10 ** 9", "return decimal.Decimal(1) / 3"),
        TOO_MUCH | RUNTIME,
    ),
    "decimal power": ("import decimal\n" + _body("return decimal.Decimal(7) ** (10 ** 9)"), TOO_MUCH | RUNTIME),
    "round to absurd digits": (_body("return round(1.5, 10 ** 9) + round(1.5, -10 ** 9)"), OK),
    # --- depth --------------------------------------------------------------------------------------------------
    "deep recursion": (_body("return 1 + solution()"), RUNTIME),
    "mutual recursion": ("def f(): return g()\ndef g(): return f()\n" + _body("return f()"), RUNTIME),
    "recursion by exec": (_body("code = 'exec(code)'", "exec(code, {'code': code})"), RUNTIME),
    "recursion by eval": (_body("code = 'eval(code, {\"code\": code})'", "return eval(code)"), RUNTIME),
    "recursion in a key": (_body("return sorted([1, 2], key=lambda x: solution())"), RUNTIME),
    "recursion in __repr__": (
        "class C:\n    def __repr__(self): return repr(self)\n" + _body("return str(C())"),
        RUNTIME | NO_ANSWER,
    ),
    "self-containing list": (_body("x = []", "x.append(x)", "return str(x)"), NO_ANSWER),
    "comparing self-containing lists": (
        _body("x, y = [], []", "x.append(y)", "y.append(x)", "return 1 if x == y else 2"),
        RUNTIME | OK,
    ),
    "deep parentheses": (_body("return " + "(" * 5000 + "1" + ")" * 5000), SYNTAX),
    "deep brackets": (_body("return " + "[" * 5000 + "]" * 5000), SYNTAX),
    "deep minus": (_body("return " + "-" * 50000 + "1"), SYNTAX),
    "deep not": (_body("return " + "not " * 20000 + "1"), SYNTAX),
    "long sum of ones": (_body("return " + "+".join(["1"] * 40000)), SYNTAX | OK),
    "long attribute chain": (_body("return x" + ".a" * 40000), SYNTAX | RUNTIME),
    "deep blocks": (
        "".join(" " * i + "if 1:\n" for i in range(400)) + " " * 400 + "pass\n" + _body("return 1"),
        SYNTAX,
    ),
    "deep lambdas": (_body("return " + "(lambda: " * 3000 + "1" + ")" * 3000), SYNTAX),
    "deep f-strings": (_body("return " + 'f"{' * 200 + "1" + '}"' * 200), SYNTAX | OK | RUNTIME),
    "deep json": ("import json\n" + _body("return len(json.loads('[' * 100000 + ']' * 100000))"), RUNTIME),
    "huge text": ("#" + "x" * 5_000_000 + "\n" + _body("return 1"), SYNTAX),
    # --- attributes and frames ----------------------------------------------------------------------------------
    "subclasses of object": (_body("return len(().__class__.__mro__[1].__subclasses__())"), REFUSED),
    "globals of a function": (_body("return len(solution.__globals__)"), REFUSED),
    "code of a function": (_body("return len(solution.__code__.co_code)"), REFUSED),
    "frame of a traceback": (
        _body("try:", "    1 / 0", "except Exception as error:", "    return error.__traceback__.tb_frame.f_back"),
        REFUSED,
    ),
    "frame by sys": ("import sys\n" + _body("return sys._getframe(1).f_globals['_programs']"), REFUSED),
    "module table": ("import sys\n" + _body("return len(sys.modules['os'].listdir('/'))"), REFUSED),
    "format string attributes": (_body("return '{0.__class__.__init__.__globals__}'.format(solution)"), REFUSED),
    "getattr by pieces": (_body("return getattr((), '__cl' + 'ass__')"), REFUSED),
    "builtins by name": (_body("return __builtins__"), REFUSED),
    "import by name": (_body("return __import__('os').system('touch {canary}')"), FORBIDDEN),
    "loader": ("import importlib\n" + _body("return importlib.import_module('os').getpid()"), FORBIDDEN),
    "compile": (_body("return eval(compile('1', 'x', 'eval'))"), FORBIDDEN),
    "ctypes": ("import ctypes\n" + _body("return ctypes.CDLL(None).getpid()"), FORBIDDEN),
    "pickle": (
        "import pickle\n" + _body("return pickle.loads(b'cos\\nsystem\\n(S\"touch {canary}\"\\ntR.')"),
        FORBIDDEN,
    ),
    # --- files, environment, network, processes -----------------------------------------------------------------
    "write a file": (_body("open('{canary}', 'w').write('x')", "return 1"), FORBIDDEN),
    "append to a file": (_body("with open('{canary}', 'a') as f: f.write('x')", "return 1"), FORBIDDEN),
    "read a file": (_body("return len(open('/etc/passwd').read())"), FORBIDDEN),
    "write by pathlib": ("import pathlib\n" + _body("pathlib.Path('{canary}').write_text('x')", "return 1"), FORBIDDEN),
    "unlink by pathlib": ("import pathlib\n" + _body("pathlib.Path('{canary}').unlink()", "return 1"), FORBIDDEN),
    "remove by os": ("import os\n" + _body("os.remove('{canary}')", "return 1"), REFUSED),
    "list a folder": ("import os\n" + _body("return len(os.listdir('/'))"), REFUSED),
    "shutil": ("import shutil\n" + _body("shutil.rmtree('{canary}')", "return 1"), FORBIDDEN),
    "environment": ("import os\n" + _body("return len(os.environ)"), REFUSED),
    "environment by getenv": ("import os\n" + _body("return len(os.getenv('PATH'))"), REFUSED | NO_ANSWER),
    "system": ("import os\n" + _body("return os.system('touch {canary}')"), REFUSED),
    "fork": ("import os\n" + _body("while True: os.fork()"), REFUSED),
    "kill": ("import os\n" + _body("os.kill(os.getppid(), 9)", "return 1"), REFUSED),
    "subprocess": ("import subprocess\n" + _body("return subprocess.call(['touch', '{canary}'])"), FORBIDDEN),
    "socket": (
        "import socket\n" + _body("socket.create_connection(('127.0.0.1', {port})).send(b'x')", "return 1"),
        FORBIDDEN,
    ),
    "http": ("import urllib.request\n" + _body("urllib.request.urlopen('http://127.0.0.1:{port}')"), FORBIDDEN),
    "asyncio connection": (
        "import asyncio\n" + _body("asyncio.run(asyncio.open_connection('127.0.0.1', {port}))", "return 1"),
        REFUSED,
    ),
    "signal": ("import signal\n" + _body("signal.signal(signal.SIGALRM, lambda *a: None)", "return 1"), FORBIDDEN),
    "threads": ("import threading\n" + _body("threading.Thread(target=solution).start()", "return 1"), FORBIDDEN),
    "input": (_body("return float(input())"), FORBIDDEN),
    "breakpoint": (_body("breakpoint()", "return 1"), FORBIDDEN),
    # --- exits --------------------------------------------------------------------------------------------------
    "exit": (_body("exit(0)"), FORBIDDEN),
    "quit": ("quit()\n" + _body("return 1"), FORBIDDEN),
    "sys.exit": ("import sys\n" + _body("sys.exit(0)"), REFUSED),
    "os._exit": ("import os\n" + _body("os._exit(0)"), REFUSED),
    "abort": ("import os\n" + _body("os.abort()"), REFUSED),
    "SystemExit": (_body("raise SystemExit"), RUNTIME),
    "SystemExit with a code": (_body("raise SystemExit(3)"), REFUSED),
    "KeyboardInterrupt": (_body("raise KeyboardInterrupt"), RUNTIME),
    "BaseException": (_body("raise BaseException('x')"), RUNTIME),
    "raised TimeoutError": (_body("raise TimeoutError('feed time limit exceeded')"), RUNTIME),
    "raised MemoryError": (_body("raise MemoryError"), MEMORY),
    "exception with a long message": (_body("raise ValueError('x' * 10 ** 7)"), RUNTIME),
    "exception with a strange message": (_body("raise ValueError('\\x00\\x1b[2J\\r\\n')"), RUNTIME),
    # --- poison for the next program ------------------------------------------------------------------------------
    "poisoned builtins module": ("import builtins\nbuiltins.float = lambda x: 7.0\n" + _body("return 1"), FORBIDDEN),
    "poisoned math": ("import math\nmath.sqrt = lambda x: 7.0\n" + _body("return 1"), REFUSED),
    "poisoned type": ("int.real = 7\n" + _body("return 1"), RUNTIME),
    "own float": ("float = int = len = round = print = None\n" + _body("return 3"), OK),
    "own round": ("def round(x, n=0): return 99\n" + _body("return round(1.2, 1)"), OK),
    "attribute on round": ("round.calls = 7\n" + _body("return 1"), RUNTIME),
    "global names": (
        "global _judge, _inf, _programs\n_judge = _inf = _programs = None\n" + _body("return 3"),
        OK | SYNTAX,
    ),
    "harness by name": (_body("_programs.append('def solution(): return 7')", "return 1"), RUNTIME),
    "harness results": (_body("_one('x', {})", "return 1"), RUNTIME),
    "decimal context": (
        "import decimal\ndecimal.getcontext().prec = 2\n" + _body("return decimal.Decimal(1) / 3"),
        OK,
    ),
    "random seed": ("import random\nrandom.seed(5)\n" + _body("return random.random()"), OK),
    "digits limit": (
        "import sys\n" + _body("sys.set_int_max_str_digits(0)", "return len(str(10 ** 9999))"),
        OK | REFUSED,
    ),
    "recursion limit": ("import sys\n" + _body("sys.setrecursionlimit(10 ** 9)", "return solution()"), REFUSED),
    # --- forged answers -------------------------------------------------------------------------------------------
    "frames on the pipe": (_body("print('\\x00\\x00\\x00\\x05[(0, 7.0)]')", "return None"), NO_ANSWER),
    "stdout by sys": ("import sys\n" + _body("sys.stdout.write('[(0, 7.0)]')", "return 1"), REFUSED),
    "stdout by os": ("import os\n" + _body("os.write(1, b'[(0, 7.0)]')", "return 1"), REFUSED),
    "a verdict as value": (_body("return (0, 7.0)"), NO_ANSWER),
    "malicious __float__": (
        "class C:\n    def __float__(self):\n        while True: pass\n" + _body("return C()"),
        NO_ANSWER,
    ),
    "malicious __eq__": (
        "class C:\n    def __eq__(self, other): return True\n    def __lt__(self, other): return True\n"
        + _body("return C()"),
        NO_ANSWER,
    ),
    "malicious __reduce__": (
        "class C:\n    def __reduce__(self): return (exec, ('raise SystemExit',))\n" + _body("return C()"),
        NO_ANSWER,
    ),
    "malicious __getattr__": (
        "class C:\n    def __getattr__(self, name):\n        while True: pass\n" + _body("return C()"),
        NO_ANSWER | FORBIDDEN,
    ),
    "malicious __str__ in an error": (
        "class C:\n    def __str__(self):\n        while True: pass\n" + _body("raise ValueError(C())"),
        REFUSED,
    ),
    "class called float": ("class float:\n    pass\n" + _body("return float()"), NO_ANSWER),
    "class called Decimal": (
        "class Decimal:\n    def __float__(self): return 7.0\n" + _body("return Decimal()"),
        NO_ANSWER,
    ),
    "solution is a number": ("solution = 7\n", RUNTIME),
    "solution is a class": ("class solution:\n    pass\n", NO_ANSWER),
    "not a number": (_body("return float('nan')"), NO_ANSWER),
    "infinite": (_body("return 1e308 * 10"), NO_ANSWER),
    "complex": (_body("return (-1) ** 0.5"), NO_ANSWER),
    "int beyond floats": (_body("return 10 ** 400"), NO_ANSWER),
    "long text": (_body("return '1' * 10 ** 6"), NO_ANSWER),
    "nan as text": (_body("return 'nan'"), NO_ANSWER),
    "lone surrogate": ("def solution():\n    return '\ud800'\n", SYNTAX | NO_ANSWER),
    "null byte": ("def solution():\n    return 1\x00\n", SYNTAX),
    "no program": ("", NO_ANSWER),
}


def hostile_programs(canary: str, port: int) -> dict[str, tuple[str, set[str]]]:
    """Name -> (program, allowed statuses), aimed at the file `canary` and the listening TCP port `port`."""
    return {
        name: (text.replace("{canary}", canary).replace("{port}", str(port)), allowed)
        for name, (text, allowed) in HOSTILE.items()
    }
