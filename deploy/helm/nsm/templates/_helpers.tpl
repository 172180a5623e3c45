{{/* Labels of every object. Arguments: the chart's scope, and the name of the part. */}}
{{- define "nsm.labels" -}}
{{ include "nsm.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/part-of: nsm
{{- end }}

{{- define "nsm.selector" -}}
app.kubernetes.io/name: nsm
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "nsm.image" -}}
image: {{ .Values.image.repository }}:{{ .Values.image.tag }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{/* Annotations of a pod by which Prometheus finds its metrics; nothing where it is not to. */}}
{{- define "nsm.scraped" -}}
{{- if .Values.metrics.enabled -}}
annotations:
  prometheus.io/scrape: "true"
  prometheus.io/port: {{ .Values.metrics.port | quote }}
  prometheus.io/path: /metrics
{{- end }}
{{- end }}

{{/* Where a pod is called: 0.0.0.0 is not listened on for IPv6, and :: not where the node has none. */}}
{{- define "nsm.podAddress" -}}
- { name: POD_IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
{{- end }}

{{/* Where kubelet asks for the health of a manager. */}}
{{- define "nsm.healthAt" -}}
{{- if .Values.metrics.enabled -}}
port: {{ .Values.metrics.port }}
{{- else -}}
host: 127.0.0.1, port: {{ .Values.manager.healthPort }}
{{- end }}
{{- end }}

{{/* Whom a part may be called by and call. Arguments: the chart's scope, the name of the part, and its ports that anybody may call. */}}
{{- define "nsm.networkPolicy" -}}
{{- $scope := index . 0 -}}
{{- $part := index . 1 -}}
{{- $ports := index . 2 -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: nsm-{{ $part }}
  namespace: {{ $scope.Release.Namespace }}
  labels: {{- include "nsm.labels" (list $scope $part) | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "nsm.selector" (list $scope $part) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress: {{- if $ports }}{{ list (dict "ports" $ports) | toYaml | nindent 4 }}{{ else }} []{{ end }}
  egress:
    - ports: {{- toYaml $scope.Values.networkPolicy.apiServerPorts | nindent 8 }}
    - to: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } } }]
      ports: [{ protocol: UDP, port: 53 }, { protocol: TCP, port: 53 }]
{{- end }}
