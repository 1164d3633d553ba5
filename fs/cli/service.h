/* Tells systemd how we are (Type=notify), if it asked to be told: see sd_notify(3). */
#pragma once

/* "READY=1" and the like; nothing happens without NOTIFY_SOCKET. */
void service_notify(const char *state);
