"""Part of Coalmine: the Streamlit pages."""
