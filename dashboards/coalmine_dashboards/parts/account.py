"""Who looks at the pages: asked to sign in where there is an identity provider, and shown below the menu."""

import streamlit as st

from coalmine_dashboards import identity
from coalmine_dashboards.api import ApiError, Unauthorised
from coalmine_dashboards.parts.viewer import caller, session_of_viewer
from coalmine_dashboards.views.markup import plain


def signed_in() -> bool:
    """True if the viewer may see the pages; otherwise what to do is drawn."""
    if session_of_viewer() is not None or not identity.is_configured():
        return True  # what stands before Streamlit lets nobody else through
    claims = identity.identity()
    if claims is None:
        st.subheader("Sign in to see the pages", anchor=False)
        st.button("Sign in", on_click=st.login, type="primary")
        st.markdown("[Sign in with a token of the server instead](./sign-in)")
        return False
    if identity.provided_token_has_expired(claims):
        st.subheader("Your sign-in has ended", anchor=False)
        st.button("Sign in again", on_click=st.login, type="primary")
        return False
    if identity.token_of(claims) is None:
        who = claims.get(identity.claim_name()) or "somebody without a name"
        st.error(
            f"**{plain(str(who))}** has no token here.  \nWho runs the dashboard adds one to "
            "`[coalmine.tokens]` in Streamlit's `secrets.toml`, or has the provider's tokens passed on; "
            "docs/dashboards.md says how.",
            icon=":material/block:",
        )
        st.button("Sign out", on_click=st.logout)
        return False
    try:
        caller()
    except Unauthorised as error:  # the server does not take the provider's token, or nobody of that group
        st.error(f"**The server does not let you in.**  \n{plain(error.detail)}", icon=":material/block:")
        st.button("Sign in again", on_click=st.login, type="primary")
        st.button("Sign out", on_click=st.logout)
        return False
    except ApiError:  # of no viewer: the page says it
        pass
    return True


def account() -> None:
    """Draw who the viewer is to the server, below the menu."""
    with st.sidebar:
        try:
            known = caller()
        except ApiError:  # who may do nothing any more signs in anew
            pass
        else:
            st.caption(f"{plain(known.subject)} ({known.role.name.lower()})")
        if session_of_viewer() is not None:
            st.markdown(":small[[Sign out](./sign-out)]")
        elif identity.is_configured():
            st.button("Sign out", on_click=st.logout, type="tertiary")
