"""What nginx and HAProxy are told: one nginx that serves, and both as reverse proxies before it."""

from __future__ import annotations

NGINX = """daemon off; master_process off; pid {place}/pid; error_log {place}/error;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; sendfile on;
  client_body_temp_path {place}/1; proxy_temp_path {place}/2; fastcgi_temp_path {place}/3;
  uwsgi_temp_path {place}/4; scgi_temp_path {place}/5;
  {more}
}}
"""
SERVES = """server {{ listen 127.0.0.1:{port}; root {place};
    location / {{ return 200 "hello, this is a small answer\\n"; }} location /big {{ }}
    location /rows {{ default_type application/json; }} }}"""
PASSES = """upstream up {{ server 127.0.0.1:{target}; keepalive 64; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port}; listen 127.0.0.1:{tls} ssl http2;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {certificate}; ssl_certificate_key {key};
    location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_buffering on;
      proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr; proxy_max_temp_file_size 0; }}
    location /talk/ {{ proxy_pass http://127.0.0.1:{talk}/; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; }}
    location /take/ {{ proxy_pass http://127.0.0.1:{talk}/; proxy_http_version 1.1; client_max_body_size 0;
      proxy_request_buffering off; }} }}"""
HAPROXY = """global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  option forwardfor
frontend in
  bind 127.0.0.1:{port}
  bind 127.0.0.1:{tls} ssl crt {both} alpn h2,http/1.1
  use_backend talk if {{ path_beg /talk/ /take/ }}
  default_backend out
backend out
  http-reuse always
  server one 127.0.0.1:{target}
backend talk
  server one 127.0.0.1:{talk}
"""
# of the gateway: a target, the same with a mask, and one that speaks WebSocket
TARGET = """[target.{name}]
protocol = "http"
address = ["127.0.0.1:{port}"]
labels = {{ env = "bench" }}

[target.{name}.role.reader]
header = "X-API-Key"
value = "file:{secret}"
"""
MASK = """[mask.bench-members]
protocol = "http"
target = { name = "bench-masked" }
json = ["email", "/rows/*/card"]
show = "none"
"""
