"""The script for `streamlit run`. Alone in its folder, because Streamlit adds the folder to `sys.path`."""

from coalmine_dashboards.page import show

show()
