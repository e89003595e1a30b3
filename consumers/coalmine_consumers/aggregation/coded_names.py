"""Names of requests coded once, for everything that looks at them."""

import pyarrow as pa
import pyarrow.compute as pc

_CODED = (
    "app",
    "environment",
    "prompt",
    "version",
    "variant",
    "experiment",
    "request_model",
    "response_model",
)
# Coded columns serve prices, rollups, cells and Parquet alike. Coding more than the keys does not pay for
# itself.


def coded_names(requests: pa.Table) -> pa.Table:
    """The requests, with columns of names coded that are not yet."""
    requests = requests.combine_chunks()
    for name in _CODED:
        if not pa.types.is_dictionary(requests.schema.field(name).type):
            place = requests.column_names.index(name)
            requests = requests.set_column(place, name, pc.dictionary_encode(requests[name]))
    return requests
