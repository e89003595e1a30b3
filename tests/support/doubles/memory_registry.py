"""A schema registry in memory."""

from coalmine_schemas.errors import RegistryUnavailable, UnknownSchema


class MemoryRegistry:
    """Keeps schemas by id; can be made unreachable."""

    def __init__(self) -> None:
        self.schemas: dict[int, str] = {}
        self.subjects: dict[str, list[int]] = {}
        self.reachable = True
        self.asked: list[int] = []
        """Ids looked up, in order."""

    def register(self, subject: str, schema_json: str) -> int:
        self._check_reachable()
        known = {text: schema_id for schema_id, text in self.schemas.items()}
        schema_id = known.get(schema_json, len(self.schemas) + 1)
        self.schemas[schema_id] = schema_json
        if schema_id not in self.subjects.setdefault(subject, []):
            self.subjects[subject].append(schema_id)
        return schema_id

    def schema_by_id(self, schema_id: int) -> str:
        self._check_reachable()
        self.asked.append(schema_id)
        if schema_id not in self.schemas:
            raise UnknownSchema(f"no schema {schema_id}", f"id:{schema_id}")
        return self.schemas[schema_id]

    def _check_reachable(self) -> None:
        if not self.reachable:
            raise RegistryUnavailable("unreachable on purpose")
