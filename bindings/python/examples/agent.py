from flask import Flask, Response, g, jsonify, request

from tallystick import AgentAuth

app = Flask(__name__)
auth = AgentAuth()  # loads the callers' public keys from ./authorized_keys/


@app.post("/agent")
@auth.require_auth  # only verified requests get past this line
def agent() -> Response:
    return jsonify(result=f"{g.auth.issuer} asked: {request.json['query']}")
