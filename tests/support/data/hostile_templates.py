"""Templates that try to read objects or to hang whoever renders them; every one has to be refused.

Run as a program, renders them all and prints one line for each, so that a test can limit what that takes.
"""

import json
import sys
from typing import Final

from coalmine_schemas.prompts import InvalidPrompt, PromptContent, RenderError, Variable
from coalmine_schemas.prompts.templating import compile_prompt

VALUES: Final = {
    "text": "abc",
    "number": 7,
    "items": [{"name": "a", "n": 1}, {"name": "b", "n": 2}],
    "order": {"id": "17", "items": ["x"]},
}
VARIABLES: Final = {
    "text": Variable(),
    "number": Variable("integer"),
    "items": Variable("array"),
    "order": Variable("object"),
}

_DOUBLE: Final = "".join(f"{{% set a{i + 1} = a{i} ~ a{i} %}}" for i in range(60))
_NESTED_LISTS: Final = "".join(f"{{% set a{i + 1} = [a{i}, a{i}] %}}" for i in range(60))
_NESTED_DICTS: Final = "".join(f"{{% set a{i + 1} = {{'x': a{i}, 'y': a{i}}} %}}" for i in range(60))
_BLOCKS: Final = "".join(f"{{% set a{i + 1} %}}{{{{ a{i} }}}}{{{{ a{i} }}}}{{% endset %}}" for i in range(60))
_SUMS: Final = "".join(f"{{% set a{i + 1} = a{i} + a{i} %}}" for i in range(60))
_SQUARES: Final = "".join(f"{{% set a{i + 1} = a{i} * a{i} %}}" for i in range(60))

HOSTILE: Final = {
    # Walks along attributes.
    "class": "{{ ''.__class__ }}",
    "mro": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "class by item": "{{ ''['__class__'] }}",
    "class by computed item": "{{ ''['__cla' ~ 'ss__']['__mro__'] }}",
    "class by filter": "{{ ''|attr('__class__') }}",
    "class by map": "{{ [text]|map(attribute='__class__')|list }}",
    "class by sort": "{{ items|sort(attribute='__class__.__name__') }}",
    "class by groupby": "{{ items|groupby('__class__') }}",
    "class by selectattr": "{{ items|selectattr('__class__')|list }}",
    "class by sum": "{{ items|sum(attribute='__init__') }}",
    "class by join": "{{ items|join(',', attribute='__class__') }}",
    "globals of a method": "{{ text.upper.__globals__ }}",
    "method printed": "{{ text.upper }}",
    "method of a mapping printed": "{{ order.keys }}",
    "method by item": "{{ text['upper']() }}",
    "loop class": "{% for x in items %}{{ loop.__class__ }}{% endfor %}",
    "loop private": "{% for x in items %}{{ loop._iterator }}{% endfor %}",
    "loop by item": "{% for x in items %}{{ loop['_iterator'] }}{% endfor %}",
    "loop itself": "{% for x in items %}{{ loop }}{% endfor %}",
    "loop kept": "{% for x in items %}{% set l = loop %}{{ l._iterator.gi_frame }}{% endfor %}",
    "loop as items": "{% for x in items %}{{ loop|list }}{% endfor %}",
    "loop printed through a filter": "{% for x in items %}{{ loop|string }}{% endfor %}",
    "loop called": "{% for x in items %}{{ loop(items) }}{% endfor %}",
    "self": "{{ self }}",
    "self init": "{{ self.__init__.__globals__ }}",
    "context": "{{ context.environment }}",
    "environment": "{{ environment }}",
    "cycler": "{{ cycler.__init__.__globals__.os.popen('id') }}",
    "joiner": "{{ joiner() }}",
    "namespace": "{% set n = namespace(x=1) %}{{ n }}",
    "lipsum": "{{ lipsum(1000000) }}",
    "dict": "{{ dict(a=1) }}",
    "config": "{{ config }}",
    "undefined's class": "{{ nothing.__class__ }}",
    "undefined's globals": "{{ order.nothing.__init__.__globals__ }}",
    "undefined through default": "{{ (order.nothing|default(order.other)).__class__ }}",
    "caller": "{{ caller() }}",
    "varargs": "{{ varargs }}",
    "underscore name": "{{ _x }}",
    "underscore set": "{% set __x = 1 %}{{ __x }}",
    "set self": "{% set self = 1 %}",
    # Format strings.
    "format": "{{ '{0.__class__}'.format(text) }}",
    "format_map": "{{ '{a.__class__}'.format_map(order) }}",
    "format filter": "{{ '%s'|format(text) }}",
    "format by map": "{{ ['{0.__class__}']|map('format', text)|list }}",
    "percent": "{{ '%s' % text }}",
    "percent width": "{{ '%1000000000d' % 1 }}",
    "str.join of format": "{{ ''.join.__self__.format }}",
    "encode": "{{ text.encode() }}",
    "translate": "{{ text.translate(order) }}",
    "mro through string": "{{ text.__class__.mro() }}",
    # Changes to values of the service.
    "append": "{{ items.append(1) }}",
    "clear": "{{ items.clear() }}",
    "update": "{{ order.update({'a': 1}) }}",
    "pop": "{{ order.pop('id') }}",
    "setdefault": "{{ order.setdefault('a', 1) }}",
    "do": "{% do items.append(1) %}",
    # Ranges and loops.
    "range": "{{ range(1000000000)|list }}",
    "range in a loop": "{% for i in range(10**9) %}x{% endfor %}",
    "huge range": "{% for i in range(10**18) %}x{% endfor %}",
    "range backwards": "{{ range(0, -1000000000, -1)|length }}",
    "range without step": "{{ range(0, 10, 0)|list }}",
    "range of text": "{{ range(text) }}",
    "range without end": "{{ range() }}",
    "loops in loops": "{% for a in range(999) %}{% for b in range(999) %}{% for c in range(999) %}"
    "{% endfor %}{% endfor %}{% endfor %}",
    "loops that write": "{% for a in range(9999) %}" + "x" * 10_000 + "{% endfor %}",
    "loops that filter": "{% for a in range(90000) if a < 0 %}{% else %}{% for b in range(200000) %}"
    "{% endfor %}{% endfor %}",
    "loops that sort": "{% for a in range(900) %}{{ range(9000)|sort|length }}{% endfor %}",
    "loops that compare": "{% set l = range(20000) %}{% for a in range(9000) %}{% if -1 in l %}{% endif %}"
    "{% endfor %}",
    "recursive loop": "{% for x in items recursive %}{{ loop(items) }}{% endfor %}",
    "loop over a number": "{% for x in number %}{% endfor %}",
    # Recursion.
    "macro": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "macro twice": "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
    "call block": "{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}{% endcall %}",
    "block": "{% block a %}{{ self.a() }}{% endblock %}",
    "extends": "{% extends 'a@1.0.0' %}",
    "import": "{% import 'a@1.0.0' as a %}{{ a }}",
    "from import": "{% from 'a@1.0.0' import b %}",
    "missing include": "{% include 'a@1.0.0' %}",
    "file include": "{% include '/etc/passwd' %}",
    "computed include": "{% include text %}",
    "autoescape": "{% autoescape true %}{% endautoescape %}",
    "debug": "{% debug %}",
    # Texts and lists that grow.
    "text times": "{{ 'x' * 1000000000 }}",
    "times text": "{{ 1000000000 * 'x' }}",
    "text times text": "{{ ('x' * 100000) * 100000 }}",
    "list times": "{{ [1] * 1000000000 }}",
    "tuple times": "{{ (1, 2) * 1000000000 }}",
    "doubling": "{% set a0 = 'xxxxxxxx' %}" + _DOUBLE + "{{ a60 }}",
    "doubling without output": "{% set a0 = 'xxxxxxxx' %}" + _DOUBLE,
    "doubling by sum": "{% set a0 = 'xxxxxxxx' %}" + _SUMS,
    "doubling lists by sum": "{% set a0 = [1, 2] %}" + _SUMS,
    "doubling by blocks": "{% set a0 = 'xxxxxxxx' %}" + _BLOCKS,
    "nested lists": "{% set a0 = [1] %}" + _NESTED_LISTS + "{{ a60 }}",
    "nested mappings": "{% set a0 = [1] %}" + _NESTED_DICTS + "{{ a60|tojson }}",
    "nested lists compared": "{% set a0 = [1] %}" + _NESTED_LISTS + "{{ a60 == [a59, a59] }}",
    "center": "{{ text|center(1000000000) }}",
    "center by method": "{{ text.center(1000000000) }}",
    "ljust": "{{ text.ljust(1000000000) }}",
    "zfill": "{{ text.zfill(1000000000) }}",
    "expandtabs": "{{ text.expandtabs(1000000000) }}",
    "indent": "{{ text|indent(1000000000, true) }}",
    "indent by text": "{{ ('\n' * 100000)|indent('x' * 100000, true, true) }}",
    "replace": "{{ ('x' * 100000)|replace('x', 'y' * 100000) }}",
    "replace by method": "{{ ('x' * 100000).replace('x', 'y' * 100000) }}",
    "replace nothing": "{{ ('x' * 100000)|replace('', 'y' * 100000) }}",
    "join": "{{ range(100000)|join('y' * 100000) }}",
    "join by method": "{{ ('y' * 100000).join(('x' * 100000).split('')) }}",
    "join many": "{{ ('y' * 100000).join('x' * 100000) }}",
    "batch": "{{ items|batch(1000000000, 'x')|list }}",
    "slice": "{{ items|slice(1000000000)|list }}",
    "tojson": "{{ items|tojson(indent=100000000) }}",
    "pprint": "{{ items|pprint }}",
    "wordwrap": "{{ text|wordwrap(1) }}",
    "urlize": "{{ text|urlize }}",
    "xmlattr": "{{ order|xmlattr }}",
    "random": "{{ items|random }}",
    "filesizeformat": "{{ number|filesizeformat }}",
    "map of center": "{{ range(1000)|map('string')|map('center', 10000)|list }}",
    "map of a thing inside": "{{ [10**18]|map('=range')|list }}",
    "long slices": "{% set x = 'y' * 1000000 %}{% for i in range(100000) %}{% set z = x[1:] %}{% endfor %}",
    "long compare": "{% set x = 'y' * 900000 %}{% set z = 'y' * 900000 %}{% for i in range(99999) %}"
    "{% if x == z %}{% endif %}{% endfor %}",
    # Numbers that grow.
    "power": "{{ 10 ** 1000000000 }}",
    "power tower": "{{ 9 ** 9 ** 9 ** 9 }}",
    "negative power of zero": "{{ 0 ** -1 }}",
    "power of a float": "{{ 1e300 ** 100 }}",
    "imaginary": "{{ (-8) ** 0.5 }}",
    "squares": "{% set a0 = 999999999 %}" + _SQUARES + "{{ a60 }}",
    "products": "{% set a0 = 2 ** 1000 %}{{ a0 * a0 }}",
    "shift": "{{ 1 << 1000000000 }}",
    "long number": "{{ " + "9" * 200_000 + " }}",
    "long hexadecimal number": "{{ 0x" + "f" * 200_000 + " }}",
    "int of text": "{{ ('f' * 100000)|int(0, 16) }}",
    "round": "{{ 1.5|round(1000000000, 'ceil') }}",
    "sum": "{{ range(100000)|sum(start='x') }}",
    "division": "{{ 1 // 0 }}",
    "star arguments": "{{ range(*items) }}",
    "star arguments of a filter": "{{ text|center(*items) }}",
    "named arguments": "{{ text.split(sep='b', maxsplit=1) }}",
    "private argument": "{{ text|center(__x=1) }}",
    # Trees that are too deep or too large.
    "parentheses": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "lists in lists": "{{ " + "[" * 500 + "]" * 500 + " }}",
    "signs": "{{ " + "-" * 5000 + "1 }}",
    "nots": "{{ " + "not " * 5000 + "1 }}",
    "filters": "{{ text" + "|upper" * 5000 + " }}",
    "additions": "{{ 1" + " + 1" * 5000 + " }}",
    "nested loops": "{% for a in items %}" * 200 + "{% endfor %}" * 200,
    "thirty loops": "{% for a in items %}" * 30 + "{% endfor %}" * 30,
    "nested ifs": "{% if text %}" * 500 + "{% endif %}" * 500,
    "many outputs": "{{ text }}" * 25_000,
    "too long": "x" * 300_000,
    "unbalanced": "{% if text %}",
    "raw braces": "{{ {% }}",
    "nothing known": "{{ frobnicate(text) }}",
    "filter nobody knows": "{{ text|frobnicate }}",
    "filter nobody knows within if": "{% if false %}{{ text|frobnicate }}{% endif %}",
    "test nobody knows": "{{ text is frobnicated }}",
    "percent by a test": "{{ '%99999999d' is odd }}",
    "percent by even": "{{ '%99999999d' is even }}",
    "percent by divisibleby": "{{ '%99999999d' is divisibleby 3 }}",
    "percent by select": "{{ ['%99999999d']|select('odd')|list }}",
    "sum of lists": "{{ range(60000)|batch(1)|sum(start=[]) }}",
    "unique of numbers with one hash": "{% set l = range(0, 20000)|list %}{{ l|unique('x')|list }}"
    "{% for i in range(60000) %}{% if l|unique|list %}{% endif %}{% endfor %}",
    "path of a mile": "{{ range(1000)|map(attribute='a.' * 10000, default={})|list }}",
    "default of a mile": "{{ range(20000)|groupby('a', default='x' * 900000) }}",
    "many conditions": "{% for i in range(60000) %}{{ '' if "
    + " and ".join(["(text and number)"] * 35)
    + " }}"
    "{% endfor %}",
    "items looked up": "{% set l = range(20000)|list %}{% for i in range(60000) %}{{ order[l] is defined }}"
    "{% endfor %}",
    "huge numbers": "{{ 2 ** 250 * 2 ** 250 }}",
    "trim": "{{ ('ab' * 400000)|trim('x' * 400000 ~ 'ab') }}",
    "strip": "{{ ('ab' * 400000).strip('x' * 400000 ~ 'ab') }}",
    "rsplit": "{{ ('a' * 900000).rsplit('a' * 300000 ~ 'b' ~ 'a' * 300000) }}",
    "find": "{% set t = 'a' * 29000 %}{% set n = 'a' * 7000 ~ 'b' ~ 'a' * 7000 %}{% for i in range(60000) %}"
    "{% if n in t %}{% endif %}{% endfor %}",
    "title": "{% for i in range(60000) %}{% set x = ('- ' * 400000)|title %}{% endfor %}",
    "deep value": "{% set a0 = [1] %}" + "".join(f"{{% set a{i + 1} = [a{i}] %}}" for i in range(60)),
    "internal filter": "{{ [[1]]|map('=loop', 1)|list }}",
    "internal filter by select": "{{ [[1]]|select('=in', [1])|list }}",
    "none": "{{ none }}",
    "infinity": "{{ 1e308 * 10 }}",
    "callable test": "{{ text is callable }}",
    "filter test": "{{ 'upper' is filter }}",
    "sameas": "{{ text is sameas text }}",
}
"""What they try, and how."""


def no_prompt(reference: str) -> PromptContent:
    """Finds nothing to include."""
    raise KeyError(reference)


def attempt(template: str) -> str:
    """What a template renders to.

    Raises:
        InvalidPrompt: It was refused as such.
        RenderError: It was refused while it was rendered.
    """
    content = PromptContent.from_json(
        {"template": template, "variables": {name: each.to_json() for name, each in VARIABLES.items()}}
    )
    return compile_prompt(content, no_prompt).render(VALUES)


def main() -> None:
    """Try all; of each a line of JSON: its name, and what became of it."""
    for name, template in HOSTILE.items():
        try:
            became = f"rendered: {attempt(template)[:100]}"
        except (InvalidPrompt, RenderError) as error:
            became = f"{type(error).__name__}: {error}"
        sys.stdout.write(f"{json.dumps([name, became])}\n")


if __name__ == "__main__":
    main()
