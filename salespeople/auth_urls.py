"""The front door, and signing in and out: names without a namespace, as Django and the admin expect them."""

from django.contrib.auth.views import LogoutView, PasswordChangeDoneView
from django.urls import path

from salespeople.views import PasswordChange, SignIn, home

urlpatterns = [
    path("", home, name="home"),
    path("sign-in/", SignIn.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("password-change/", PasswordChange.as_view(), name="password-change"),
    path("password-change/done/", PasswordChangeDoneView.as_view(), name="password-changed"),
]
