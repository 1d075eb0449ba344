FROM python:3.13-slim
RUN pip install --no-cache-dir uv && useradd --create-home hookd
WORKDIR /opt/hookd
COPY pyproject.toml uv.lock README.md schema.sql ./
COPY events events
COPY daemon daemon
COPY tui tui
RUN uv sync --frozen --no-dev --no-editable
ENV PATH=/opt/hookd/.venv/bin:$PATH HOST=0.0.0.0 HOOKD_HOME=/var/lib/hookd
RUN install -d -o hookd -g hookd -m 700 /var/lib/hookd
USER hookd
VOLUME /var/lib/hookd
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=30s CMD python -c "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\", 8000)}/readyz', timeout=3)"
ENTRYPOINT ["hookd"]
CMD ["up"]
