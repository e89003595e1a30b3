"""What `streamlit run` is given. It stands alone in its folder, because Streamlit puts that on the path."""

from coalmine_dashboards.page import show

show()
