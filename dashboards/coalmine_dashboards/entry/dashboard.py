"""The script for `streamlit run`. Alone in its folder, because Streamlit adds the folder to `sys.path`."""

from coalmine_dashboards.app import show

show()
