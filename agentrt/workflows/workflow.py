"""A workflow: steps that are fixed, read from YAML or from data, checked, and ready to become a plan."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from agentrt.workflows.checking import problems_of
from agentrt.workflows.errors import InvalidWorkflow, Problem, nearest
from agentrt.workflows.inference import Inference
from agentrt.workflows.inputs import Input, complete
from agentrt.workflows.lower import bind_output, to_plan
from agentrt.workflows.reading import Reader
from agentrt.workflows.schema import Limits, RunStep
from agentrt.workflows.source import Source, read_source
from agentrt.workflows.step import Step, Use
from agentrt.workflows.tree import NOT_TEXT, Node, read_tree
from agentrt.workflows.types import Type
from executor import Plan, Tool, Toolset

MAX_FILES = 50
_SUFFIXES = (".yaml", ".yml")


class Workflow:
    """A workflow that could be read. Made by `load`, `from_text` or `from_data`.

    Attributes:
        name: what it is called.
        description: for people.
        inputs: by name.
        steps: by name, in the order of the file.
        output: what a run gives, references found.
        limits: of a whole run.
        nested: workflows that its `run` steps run, by what they are called there.
    """

    name: str
    description: str
    inputs: Mapping[str, Input]
    steps: Mapping[str, Step]
    output: object
    output_uses: tuple[Use, ...]
    limits: Limits
    nested: Mapping[str, Workflow]
    source: Source

    def __init__(self, reader: Reader, nested: Mapping[str, Workflow]) -> None:
        assert reader.spec is not None
        self._reader = reader
        self.source = reader.source
        self.name = reader.spec.name
        self.description = reader.spec.description
        self.inputs = reader.inputs
        self.steps = reader.steps
        self.limits = reader.spec.limits
        self.nested = nested
        self.output_uses = tuple(reader.output_uses)
        self.output = reader.output if reader.output is not None else _last_steps(self.steps)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        tools: Iterable[Tool] | Toolset | None = None,
        workflows: Mapping[str, Workflow] | None = None,
    ) -> Self:
        """Reads and checks a file, and the files it runs.

        Args:
            path: of the file.
            tools: what its steps may call. Without them everything but the tools is checked now; `Runtime.run`
                checks the rest.
            workflows: further workflows its steps may run, by name.

        Raises:
            InvalidWorkflow: with every problem of every file, each with its place.
        """
        path = Path(path)
        return cls._checked(_Loader(path.parent, workflows or {}), read_source(path), tools)

    @classmethod
    def from_text(
        cls,
        text: str,
        *,
        name: str = "<workflow>",
        tools: Iterable[Tool] | Toolset | None = None,
        workflows: Mapping[str, Workflow] | None = None,
    ) -> Self:
        """Reads and checks YAML text. Its steps may run `workflows` only. Raises what `load` raises."""
        return cls._checked(_Loader(None, workflows or {}), Source(name, text), tools)

    @classmethod
    def from_data(
        cls,
        data: Mapping[str, object],
        *,
        tools: Iterable[Tool] | Toolset | None = None,
        workflows: Mapping[str, Workflow] | None = None,
    ) -> Self:
        """Makes a workflow of plain data with the shape of a file.

        Raises:
            InvalidWorkflow: the places are those of the data written as JSON.
            TypeError, ValueError: what is in it is not plain data.
        """
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
        text = NOT_TEXT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        name = data.get("name")
        return cls.from_text(
            text, name=name if isinstance(name, str) and name else "<workflow>", tools=tools, workflows=workflows
        )

    @classmethod
    def from_head(cls, head: Mapping[str, Any]) -> Self:
        """The inverse of `to_head`. Raises InvalidWorkflow where this version reads workflows in another way."""
        nested = {name: Workflow.from_head(inner) for name, inner in head["nested"].items()}
        return cls.from_text(head["text"], name=head["file"], workflows=nested)

    def to_head(self) -> dict[str, Any]:
        """The workflow and those it runs as plain JSON data: the text of their files."""
        nested = {name: inner.to_head() for name, inner in self.nested.items()}
        return {"file": self.source.name, "text": self.source.text, "nested": nested}

    @classmethod
    def _checked(cls, loader: _Loader, source: Source, tools: Iterable[Tool] | Toolset | None) -> Self:
        toolset = None if tools is None else tools if isinstance(tools, Toolset) else Toolset(tools)
        workflow = loader.read(source, ())
        found = loader.problems
        if workflow is not None:
            found = [*found, *workflow.problems(toolset)]
        if found:
            raise InvalidWorkflow(_in_order(found))
        assert workflow is not None
        made = cls.__new__(cls)
        made.__dict__.update(workflow.__dict__)
        return made

    def __repr__(self) -> str:
        return f"Workflow({self.name!r}, {len(self.steps)} steps)"

    @property
    def names(self) -> frozenset[str]:
        """Names of all steps, also of those that could not be read."""
        return self._reader.names

    def problems(self, tools: Toolset | None = None) -> list[Problem]:
        """What is wrong with this workflow and those it runs; empty if it can be run."""
        found = problems_of(self, tools)
        for nested in self.nested.values():
            found += nested.problems(tools)
        return found

    def check(self, tools: Iterable[Tool] | Toolset) -> None:
        """Checks everything, now that the tools are known. Raises InvalidWorkflow."""
        found = self.problems(tools if isinstance(tools, Toolset) else Toolset(tools))
        if found:
            raise InvalidWorkflow(_in_order(found))

    def complete(self, inputs: Mapping[str, object]) -> dict[str, object]:
        """The value of every input, defaults filled in. Raises InvalidInputs."""
        return complete(self.name, self.inputs, inputs)

    def plan(self, inputs: Mapping[str, object] | None = None) -> Plan:
        """The plan a run with these inputs executes.

        Raises:
            InvalidInputs: they do not fit.
        """
        return to_plan(self, self.complete(inputs or {}))

    def output_of(self, inputs: Mapping[str, object], results: Mapping[str, object]) -> object:
        """What a run gives, from the values of its steps; a step that has none is null."""
        return bind_output(self.output, self.complete(inputs), results)

    def output_type(self, tools: Toolset | None = None) -> Type:
        """What is known of the output before a run."""
        return Inference(self, tools).type_of_tree(self.output)

    def place_of(self, use: Use) -> int:
        """Offset of a reference in the source."""
        return self._reader.place_of(use)

    def inside(self, node: Node, value: str, offset: int) -> int:
        """Offset in the source of the character at `offset` of a scalar's value."""
        return self._reader.inside(node, value, offset)


class _Loader:
    """Reads a file and the files its steps run."""

    def __init__(self, folder: Path | None, workflows: Mapping[str, Workflow]) -> None:
        self.folder = folder
        self.workflows = workflows
        self.problems: list[Problem] = []
        self.files: dict[Path, Workflow | None] = {}

    def read(self, source: Source, above: tuple[Path, ...]) -> Workflow | None:
        try:
            reader = Reader(source, read_tree(source))
        except InvalidWorkflow as error:
            self.problems += error.problems
            return None
        reader.read()
        self.problems += reader.problems
        here = source.path.resolve() if source.path is not None else None
        nested: dict[str, Workflow] = {}
        for step in reader.steps.values():
            if isinstance(step.spec, RunStep) and step.spec.run not in nested:
                found = self._nested(reader, step, step.spec.run, (*above, here) if here is not None else above)
                if found is not None:
                    nested[step.spec.run] = found
        return Workflow(reader, nested) if reader.spec is not None else None

    def _nested(self, reader: Reader, step: Step, name: str, above: tuple[Path, ...]) -> Workflow | None:
        if name in self.workflows:
            return self.workflows[name]
        offset = step.node.at(["run"]).start
        if self.folder is None or not name.endswith(_SUFFIXES):
            hint = nearest(name, list(self.workflows)) if self.workflows else "name a .yaml file beside this one"
            reader.problem(offset, f"step {step.id}: there is no workflow {name!r}", hint)
            self.problems.append(reader.problems[-1])
            return None
        base = reader.source.path.parent if reader.source.path is not None else self.folder
        path = (base / name).resolve()
        trouble = ""
        if not path.is_relative_to(self.folder.resolve()):
            trouble = f"{name} lies outside the folder of the first workflow"
        elif path in above:
            circle = " -> ".join(file.name for file in (*above[above.index(path) :], path))
            trouble = f"workflows run each other in a circle: {circle}"
        elif not path.is_file():
            trouble = f"there is no file {name}"
        elif path not in self.files and len(self.files) >= MAX_FILES:
            trouble = f"more than {MAX_FILES} files run each other"
        if trouble:
            self.problems.append(reader.source.problem(offset, f"step {step.id}: {trouble}"))
            return None
        if path not in self.files:
            self.files[path] = None
            try:
                source = read_source(path, str(base / name))
            except InvalidWorkflow as error:
                self.problems += error.problems
            else:
                self.files[path] = self.read(source, above)
        return self.files[path]


def _last_steps(steps: Mapping[str, Step]) -> object:
    """The steps that no other one uses: what a workflow without `output` gives."""
    from executor import Ref

    used = {name for step in steps.values() for name in step.needs}
    last = [name for name in steps if name not in used]
    return Ref(last[0]) if len(last) == 1 else {name: Ref(name) for name in last}


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once, those of a file together and in its order."""
    files: dict[str, list[Problem]] = {}
    for problem in dict.fromkeys(problems):
        files.setdefault(problem.file, []).append(problem)
    return [one for found in files.values() for one in sorted(found, key=lambda one: (one.line, one.column))]
