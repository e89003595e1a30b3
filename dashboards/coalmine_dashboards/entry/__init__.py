"""Script that Streamlit runs."""
